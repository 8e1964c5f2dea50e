"""torchrun, as `train --processes` starts it: in silence, with an exit code that says why it ended.

By itself it ends in a traceback, also at Ctrl-C, and starts all again for what no try can mend.
"""

import logging
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from blurbench.errors import debugging
from blurbench.signals import STOPPED, end
from blurbench.training.processes import AGAIN


def main(arguments: list[str]) -> int:
    """Run torchrun's command line; gives 0, or the exit code of the processes."""
    if not debugging():
        logging.disable()  # whoever started this tells what happened
    try:
        run.run(run.parse_args(arguments))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        return together([failure.exitcode for failure in error.failures.values()])
    except SignalException as error:
        return 128 + error.sigval
    return 0


def together(codes: list[int]) -> int:
    """The exit code that says why all ended: a fault's own; AGAIN where one was killed."""
    # torchrun ends the others of one that failed by SIGTERM, and in the end by SIGKILL.
    faults = [code for code in codes if code > 0 and code not in (AGAIN, *STOPPED)]
    if faults:
        return max(faults)
    return max(codes) if all(code in STOPPED for code in codes) else AGAIN


if __name__ == "__main__":
    end(main(sys.argv[1:]))
