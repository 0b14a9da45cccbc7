import pytest

from edgevision.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(16, 16, mean=(128.0,) * 3, std=(64.0,) * 3)


@pytest.fixture(scope="session")
def stripes(make_stripes):
    return make_stripes(16)


@pytest.fixture(scope="session")
def preprocessing():
    return PREPROCESSING
