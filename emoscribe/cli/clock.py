"""Milliseconds as a person reads them."""


def clock(time_ms: int) -> str:
    """0:00:00, hours without a bound."""
    minutes, seconds = divmod(time_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
