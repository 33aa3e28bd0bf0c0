"""Face attribute editing, six papers and one face world: `from fedit_lib import faces, load_editor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedit_lib._memory import keep_freed_memory

__version__ = "0.1.0"
__all__ = ["__version__", "faces", "load_editor"]

keep_freed_memory()

if TYPE_CHECKING:
    from fedit_lib import faces
    from fedit_lib.papers import load_editor


def __getattr__(name: str) -> Any:
    # On demand, so that `import fedit_lib` (and `fedit --help`) does not wait for torch.
    if name == "faces":
        import fedit_lib.faces as faces

        return faces
    if name == "load_editor":
        from fedit_lib.papers import load_editor

        return load_editor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
