"""Classifies texts with a fine-tuned encoder on a CPU, without torch."""

from os import PathLike
from typing import Any, Literal, Optional, Sequence, Union

__version__: str

class Classifier:
    """A fine-tuned text classifier, opened from a bundle or from a directory of the Hugging Face hub's layout."""

    def __init__(
        self,
        path: Union[str, "PathLike[str]"],
        *,
        precision: Optional[Literal["int8", "fp32"]] = None,
        threads: Optional[int] = None,
    ) -> None: ...
    def predict(self, texts: Sequence[str], *, pairs: Optional[Sequence[str]] = None) -> list[dict[str, Any]]: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def precision(self) -> str: ...
    @property
    def max_length(self) -> int: ...
    @property
    def multi_label(self) -> bool: ...
