"""Settings from the environment, an `.env` file and secret files, in one model. Needs the extra `settings`.

    settings = SmsGateSettings.read(env_file=".env", secrets_dir="/run/secrets")
    async with AsyncSession.from_settings(settings) as session: ...

Arguments go before the environment, that before the `.env` file, and that before secret files. A variable that is empty counts as
absent. The one importer of pydantic-settings and of python-dotenv.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """An `.env` file, read as it is written: a password may hold `${`, which would be filled in otherwise."""

    def __init__(self, settings: type[BaseSettings], path: Path) -> None:
        super().__init__(settings)
        self._path = path

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - of the contract
        """Not used: the file is read once for all fields."""
        return (
            None,
            field_name,
            False,
        )  # pragma: no cover - pydantic-settings wants the method and does not call it

    def __call__(self) -> dict[str, Any]:
        """Return the fields that the file sets. Raises `ValueError` for a file that cannot be read."""
        try:
            with self._path.open(encoding="utf-8-sig") as stream:
                held = dotenv_values(stream=stream, interpolate=False)
        except OSError as error:
            raise ValueError(f"cannot read {self._path}: {error.strerror}") from None
        return dict(settings_in(held, self.settings_cls.model_fields))


class Checked(PydanticBaseSettingsSource):
    """A source whose login and password are looked at where their place is still known."""

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
        """Return what the source has."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return what the source has. Raises `ValueError` for a login or password that is used and can be none."""
        found = self._source()
        used = {name: value for name, value in found.items() if not self.current_state.get(name)}
        if complaint := credential_complaint(
            used, self._place_of, quotes_are_read=self._quotes_are_read
        ):
            raise ValueError(complaint)
        return found


class FileSettings(BaseSettings):
    """Fields that are read from the environment and from files, whichever they are."""

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
        except UnicodeDecodeError:  # of pydantic-settings, which has a look at the file first
            raise ValueError(
                f"cannot read {_env_file or 'the .env file'}: it is not UTF-8"
            ) from None
        except ValueError as error:  # of a source, and it may hold what was read
            raise ValueError(str(error)) from None

    @classmethod
    @sealed
    def read(
        cls, *, env_file: FilePath | None = None, secrets_dir: FilePath | None = None, **given: Any
    ) -> Self:
        """Return the settings that are found. What is `given` goes before all else. Raises `ValueError`.

        `env_file` is an `.env` file. `secrets_dir` is a folder with a file for each secret, such as `smsgate_password`, as Docker
        and Kubernetes mount them.
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
        """Put our reader of `.env` files in the place of theirs."""
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
    """The settings of a session; see `GatewaySettings` for the fields. Made without arguments it reads the environment.

    Raises `ValueError` that names the variable and never shows a value.
    """
