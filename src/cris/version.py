"""Version of the package as it was installed, which is that of the git tag that it was built from."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cris")
except PackageNotFoundError:
    __version__ = "0+unknown"  # files alone, on a path that no installer knows
