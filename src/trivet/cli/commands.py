"""The commands, one module each."""

from __future__ import annotations

import click

from trivet.cli.call import VERBS, call_command
from trivet.cli.demo import demo
from trivet.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="trivet")
def trivet() -> None:
    """Call HTTP APIs well."""


trivet.add_command(demo)
for _verb in VERBS:
    trivet.add_command(call_command(_verb))
