# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of JSON, read in bounded time and space, whatever stands at its path."""

from __future__ import annotations

import json
import os
import stat

from .config import ConfigError

#: Bytes: leases of 100,000 nodes are 30 MB.
LARGEST = 64 << 20


def read_json(path: str) -> object:
    """The decoded content of ``path``. Raises ConfigError, which names the file; its cause is FileNotFoundError
    where the file does not exist, and ValueError where it is not JSON."""
    try:
        with open(path, encoding="utf-8", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path}: is not a regular file")
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ConfigError(f"{path}: has more than {LARGEST >> 20} MiB")
        return json.loads(text)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: file does not exist; the overlay role writes it") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        raise ConfigError(f"{path}: is not JSON: {error}") from error


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO would keep the reader waiting for a writer
