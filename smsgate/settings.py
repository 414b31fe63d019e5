"""Settings from the environment, an `.env` file and secret files. Needs the extra `settings`.

    settings = SmsGateSettings.read(env_file=".env", secrets_dir="/run/secrets")
    async with AsyncSession.from_settings(settings) as session: ...

Explicit arguments win over environment variables, which win over the `.env` file, which wins over
secret files. An empty variable counts as absent.

Rule of this file: no other file imports pydantic-settings or python-dotenv.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from .config import GatewaySettings, complaint_of, credential_complaint, settings_in, variable
from .extras import missing
from .privacy import sealed

try:
    from dotenv import dotenv_values
    from pydantic_settings import (
        BaseSettings,
        DotEnvSettingsSource,
        PydanticBaseSettingsSource,
        SecretsSettingsSource,
        SettingsConfigDict,
    )
except ModuleNotFoundError as _error:
    raise missing(_error, "smsgate.settings") from None

__all__ = ["SmsGateSettings"]

FilePath = str | Path


class EnvFile(PydanticBaseSettingsSource):
    """An `.env` file, read without substitution, because a password may contain `${`."""

    def __init__(self, settings: type[BaseSettings], path: Path) -> None:
        super().__init__(settings)
        self._path = path

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - of the interface
        """Do nothing: `__call__` reads the file once for all fields."""
        return (
            None,
            field_name,
            False,
        )  # pragma: no cover - an abstract method that is never called

    def __call__(self) -> dict[str, Any]:
        """Return the fields that the file sets. Raises `ValueError` if it cannot be read."""
        try:
            with self._path.open(encoding="utf-8-sig") as stream:
                held = dotenv_values(stream=stream, interpolate=False)
        except OSError as error:
            raise ValueError(f"cannot read {self._path}: {error.strerror}") from None
        return dict(settings_in(held, self.settings_cls.model_fields))


def env_file_text(settings: Mapping[str, str]) -> str:
    """Return the text of an `.env` file with these settings, by name.

    Every value is in single quotes, in which only the quote and the backslash need an escape.

    Raises:
        ValueError: a value cannot stand in such a file. The message names the variable.
    """
    lines = list[str]()
    for name, value in settings.items():
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"{variable(name)}='{escaped}'\n")
        if dotenv_values(stream=StringIO(lines[-1]), interpolate=False) != {variable(name): value}:
            raise ValueError(f"{variable(name)}: this value cannot be written to an .env file")
    return "".join(lines)


class Checked(PydanticBaseSettingsSource):
    """A source that checks its login and password, so that the error can name their place."""

    def __init__(
        self,
        settings: type[BaseSettings],
        source: PydanticBaseSettingsSource,
        place_of: Callable[[str], str] = variable,
        *,
        quotes_are_read: bool = False,
    ) -> None:
        super().__init__(settings)
        self._source = source
        self._place_of = place_of
        self._quotes_are_read = quotes_are_read

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the field as the source has it."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return the fields of the source.

        Raises:
            ValueError: the login or the password is used and is invalid.
        """
        found = self._source()
        used = {name: value for name, value in found.items() if not self.current_state.get(name)}
        if complaint := credential_complaint(
            used, self._place_of, quotes_are_read=self._quotes_are_read
        ):
            raise ValueError(complaint)
        return found


class FileSettings(BaseSettings):
    """The base of settings that are read from the environment and from files."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="SMSGATE_", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    @sealed
    def __init__(
        self,
        *,
        _env_file: FilePath | None = None,
        _secrets_dir: FilePath | None = None,
        **given: Any,
    ) -> None:
        if _secrets_dir is not None and not Path(_secrets_dir).is_dir():
            raise ValueError(f"{_secrets_dir}: there is no such folder of secret files")
        try:
            super().__init__(_env_file=_env_file, _secrets_dir=_secrets_dir, **given)
        except ValidationError as error:
            raise ValueError(
                complaint_of(error, "in the environment, an .env file or a secret file")
            ) from None
        except UnicodeDecodeError:  # raised by pydantic-settings, which reads the file first
            raise ValueError(
                f"cannot read {_env_file or 'the .env file'}: it is not UTF-8"
            ) from None
        except ValueError as error:  # raised by a source; its frames may hold values
            raise ValueError(str(error)) from None

    @classmethod
    @sealed
    def read(
        cls, *, env_file: FilePath | None = None, secrets_dir: FilePath | None = None, **given: Any
    ) -> Self:
        """Return the settings found in the environment and in these files.

        Args:
            env_file: the path of an `.env` file.
            secrets_dir: a folder with one file for each secret, such as `smsgate_password`, as
                Docker and Kubernetes mount them.
            given: settings by name. They win over all sources.

        Raises:
            ValueError: a setting is missing or invalid, or a file cannot be read. The message
                names the variable or the file and never shows a value.
        """
        return cls(**{"_env_file": env_file, "_secrets_dir": secrets_dir, **given})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Replace the reader of `.env` files, and check the login and password of each source."""
        path = (
            dotenv_settings.env_file if isinstance(dotenv_settings, DotEnvSettingsSource) else None
        )
        files = [] if path is None else [path] if isinstance(path, (str, Path)) else path
        folder = (
            file_secret_settings.secrets_dir
            if isinstance(file_secret_settings, SecretsSettingsSource)
            else None
        )
        return (
            init_settings,
            Checked(settings_cls, env_settings),
            *(_checked_file(settings_cls, Path(file)) for file in files),
            Checked(
                settings_cls,
                file_secret_settings,
                lambda name: f"{folder}/{variable(name).lower()}",
            ),
        )


def _checked_file(settings: type[BaseSettings], path: Path) -> Checked:
    return Checked(
        settings,
        EnvFile(settings, path),
        lambda name: f"{variable(name)} in {path}",
        quotes_are_read=True,
    )


class SmsGateSettings(GatewaySettings, FileSettings):
    """The settings of a session; see `GatewaySettings` for the fields.

    `SmsGateSettings()` reads the environment only; `SmsGateSettings.read` also reads files.

    Raises:
        ValueError: a setting is missing or invalid. The message names the variable and never
            shows a value.
    """
