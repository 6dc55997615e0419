"""The renderers' font: what of it goes into their package. npm brings it, locked by its hash (`make fonts`)."""

import shutil
from pathlib import Path

from infra.packaging.errors import PackagingError

BROUGHT = (
    Path(__file__).parents[1] / "renderers" / "fonts" / "node_modules" / "@expo-google-fonts" / "noto-sans-sc"
)
CARRIED = ("400Regular/NotoSansSC_400Regular.ttf", "700Bold/NotoSansSC_700Bold.ttf", "LICENSE_FONT")
"""Two weights of nine, and the licence (OFL), which goes wherever the font does."""


def add_fonts(folder: Path) -> None:
    """Copy what posters are set in. Raises PackagingError where npm has not brought it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CARRIED:
        if not (BROUGHT / name).exists():
            raise PackagingError(
                f"{BROUGHT / name} is missing. make package brings it, and then the package."
            )
        shutil.copyfile(BROUGHT / name, folder / Path(name).name)
