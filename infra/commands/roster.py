"""`imprimatur roster apply FILE`: make the stored roster like the file, or only show the difference."""

import sys
from pathlib import Path

import yaml

from chalicelib import bootstrap
from chalicelib.core import messages
from chalicelib.core.clock import utc_now
from chalicelib.core.errors import InvalidInput
from chalicelib.people.roster import Roster, parse


def apply(file: Path, *, dry_run: bool) -> int:
    """Print each change and make it, unless it is a dry run. Exit status 2 when the file is wrong."""
    try:
        wanted = read(file)
    except (OSError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 2
    except InvalidInput as error:
        for wrong in error.errors:
            print(
                f"{wrong.pointer}: {messages.text(f'field.{wrong.code}', 'en', wrong.params)}",
                file=sys.stderr,
            )
        return 2
    keeper = bootstrap.parts().roster_keeper
    changes = keeper.changes(wanted) if dry_run else keeper.apply(wanted, utc_now())
    for change in changes:
        print(change)
    print(f"{len(changes)} changes{' (dry run: nothing was written)' if dry_run else ''}")
    return 0


def read(file: Path) -> Roster:
    """The roster of a YAML file. Raises OSError, YAMLError, or InvalidInput with every fault at once."""
    return parse(yaml.safe_load(file.read_text(encoding="utf-8")))
