"""`cambist`: the operator's command. Every part speaks to a running exchange, or opens one by itself."""

import click

from cambist.cli.backup import backup, restore
from cambist.cli.bench import bench
from cambist.cli.checks import snapshot, verify
from cambist.cli.doctor import doctor
from cambist.cli.flow import replay_flow
from cambist.cli.ledger import ledger, rebuild
from cambist.cli.lifecycle import init, run, serve
from cambist.cli.markets import asset, market
from cambist.cli.records import audit, records
from cambist.cli.rehearse import rehearse
from cambist.cli.rules import rules
from cambist.cli.sandbox import sandbox
from cambist.cli.users import api_key, user


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cambist")
def main() -> None:
    """Operate a Cambist exchange. Its data directory is CAMBIST_HOME, `var/` in the checkout by default."""


for command in (
    init,
    doctor,
    run,
    serve,
    user,
    api_key,
    asset,
    market,
    rules,
    sandbox,
    audit,
    records,
    snapshot,
    verify,
    backup,
    restore,
    rehearse,
    rebuild,
    ledger,
    replay_flow,
    bench,
):
    main.add_command(command)
