"""`python -m dismo_core` = `dismo`."""

import sys

from .cli.main import main

sys.exit(main())
