"""Pages that need nothing from anywhere: templates in this folder over one look, `page.html.j2`."""

import base64
import hashlib
from typing import Final

import jinja2

SCRIPT: Final = "sort_tables.html.j2"  # a script alone; the suffix is that of all templates


def render_page(template: str, **values: object) -> str:
    """The page that `template` makes of `values`, which it escapes.

    Its policy lets a browser load nothing, and run no script but the one of this folder.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("towerflow.reporting", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template(SCRIPT).render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{digest}'"
    )
    return environment.get_template(template).render(**values, script=script, policy=policy)
