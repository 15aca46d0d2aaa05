"""Pages that need nothing from anywhere: templates in this folder over one look, `page.html.j2`."""

import jinja2


def render_page(template: str, **values: object) -> str:
    """The page that `template` makes of `values`, which it escapes."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("towerflow.evaluation", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
