from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from producers.recipients.parquet_footer import without_arrow_schema


def test_the_types_of_parquet_remain(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"a": arrow.array(["x"], arrow.large_string())}), path)

    file = parquet.ParquetFile(path, metadata=without_arrow_schema(path))

    assert parquet.ParquetFile(path).schema_arrow.field("a").type == arrow.large_string()
    assert file.schema_arrow.field("a").type == arrow.string()
    assert file.read().to_pydict() == {"a": ["x"]}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1\0\0\0\0PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"x" * 100])
def test_a_file_without_a_footer_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)

    with pytest.raises((ValueError, OSError)):
        without_arrow_schema(path)
