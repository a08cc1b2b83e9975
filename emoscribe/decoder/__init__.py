"""The inside of `emoscribe.media`: the decoding process, and the process that watches it.

Here: `source` and `process`, which starts and listens to the child. In the child: `child` (limits, messages),
`decode` (a track as samples), `container` (what is opened), `resample`, `timeline` (sample index = time), `structure`
(recognising a container and whether it was cut short).
"""
