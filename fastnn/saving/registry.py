"""Names, objects and configurations: the door to the closed table and to both ways through it."""

from fastnn.saving.from_config import deserialize, dtype_name, get  # noqa: F401
from fastnn.saving.table import MODULES, builtin_names, names, register, snake_case, table  # noqa: F401
from fastnn.saving.to_config import serialize, sharing_scope  # noqa: F401
