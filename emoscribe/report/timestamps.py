"""Milliseconds as text. Integers all the way: divmod, never a float, so every writer names the same millisecond."""


def clock(time_ms: int, *, hour_digits: int = 1, separator: str = ".") -> str:
    """`h:mm:ss.mmm`; hours grow as they must (`123:00:00.000`). `hour_digits` pads them, `separator` is SRT's comma.

    `time_ms` is >= 0.
    """
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:0{hour_digits}d}:{minutes:02d}:{seconds:02d}{separator}{milliseconds:03d}"
