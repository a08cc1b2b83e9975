import numpy as np

from emoscribe.audio import CHUNK_SAMPLES, from_int16, read_all
from emoscribe.media import BytesSource, DecodeLimits, open_audio
from tests.media_maker import wav


def test_16_bit_samples_become_floats_between_minus_one_and_one() -> None:
    samples = from_int16(np.array([-32768, -16384, 0, 16384, 32767], dtype="<i2").tobytes())
    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, -0.5, 0.0, 0.5, 32767 / 32768]


def test_a_chunk_is_made_of_whole_blocks_of_the_voice_activity_model() -> None:
    assert CHUNK_SAMPLES % 512 == 0


def test_read_all_joins_the_chunks_and_knows_nothing_from_zeros() -> None:
    for length in (0, 1, CHUNK_SAMPLES, CHUNK_SAMPLES + 1):
        data = wav(np.arange(length, dtype=np.int64).astype(np.int16), 16_000)
        with open_audio(BytesSource(data), limits=DecodeLimits()) as audio:
            samples = read_all(audio)
        assert samples.dtype == np.float32
        assert (samples * 32768).astype(np.int64).tolist() == np.arange(length).astype(np.int16).tolist()
