"""Time zones for `zoneinfo`: there is no folder of them at run time, so that all of tzdata lies in memory."""

import io
import pathlib
import zoneinfo
import zoneinfo._common

import tzdata

_FOLDER = pathlib.Path(tzdata.__file__).parent / "zoneinfo"


def _read():
    """Each zone's data by its name."""
    zones = {}
    for file in _FOLDER.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            # RFC 9636, section 3.1: how a zone's data begins.
            if data.startswith(b"TZif"):
                zones[file.relative_to(_FOLDER).as_posix()] = data
    return zones


_ZONES = _read()


def _load(key):
    try:
        return io.BytesIO(_ZONES[key])
    except KeyError:
        raise zoneinfo.ZoneInfoNotFoundError(f"there is no time zone {key!r}") from None


def install():
    """From now on zones are found in memory."""
    zoneinfo._common.load_tzdata = _load
    zoneinfo.available_timezones = lambda: set(_ZONES)
    zoneinfo.reset_tzpath(to=())
