from collections.abc import Sequence

class Summary:
    class Value:
        tag: str
        simple_value: float
        def __init__(self, *, tag: str, simple_value: float) -> None: ...

    value: Sequence[Value]
    def __init__(self, *, value: Sequence[Value]) -> None: ...
