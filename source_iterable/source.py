"""SourceIterable: the connection check, the streams, and the read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import requests
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateType,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    Status,
)
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable import messages, timestamps
from source_iterable.api.client import Api
from source_iterable.api.error_response import API_STATUSES, ErrorResponse, is_web_page
from source_iterable.api.export_jobs import MOST_JOBS
from source_iterable.api.rate_limits import EXPORT_PATH
from source_iterable.config import Config
from source_iterable.failures import summary_of
from source_iterable.prefetch import plans
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.prefetch.results import RETRY_DELAYS
from source_iterable.states import SavedStates
from source_iterable.streams import STREAMS, IterableStream
from source_iterable.streams.export import ExportStream
from source_iterable.streams.missing import UnknownStream
from source_iterable.streams.prefetched import PrefetchedStream
from source_iterable.streams.state import StatefulStream
from source_iterable.streams.transports import export_jobs
from source_iterable.streams.users import Users
from source_iterable.sync import Sync

REFUSED = {requests.codes.unauthorized, requests.codes.forbidden}
CHECK_READ_TIMEOUT = 20.0


class SourceIterable(AbstractSource):
    """Iterable, as a source of streams."""

    def __init__(self, *, in_batches: bool = False, made: Sequence[IterableStream] | None = None) -> None:
        """Make a source.

        Args:
            in_batches: Whether records leave in batches; only where the messages are written as run.py does.
            made: The streams that it has, where they were made for a sync.
        """
        super().__init__()
        self._in_batches = in_batches
        self._made = made

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """The settings as they are, but for white space round the key, which its filter in logs must know as sent.

        The CDK would write them, the key too, into a temporary file.
        """
        key = config.get("api_key")
        return {**config, "api_key": key.strip()} if isinstance(key, str) else config

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        """The settings in a file.

        Raises:
            AirbyteTracedException: A config_error that names the file, if it does not hold them.
        """
        with _document(config_path, "the settings, a JSON object such as README shows"):
            return AbstractSource.read_config(config_path)

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """The configured catalog in a file.

        Raises:
            AirbyteTracedException: A config_error that names the file, if it does not hold one.
        """
        with _document(catalog_path, "a configured catalog; README shows how to make one from what discover prints"):
            return super().read_catalog(catalog_path)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """The saved states in a file; none without a path.

        Raises:
            AirbyteTracedException: A config_error that names the file, if it does not hold them.
        """
        with _document(state_path, "saved states, a JSON array of what STATE messages hold"):
            states = super().read_state(state_path)
            if not all(_is_of_streams(state) for state in states):
                raise ValueError("a state of another kind would be passed over")
            return states

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Whether the settings can be used, the key is accepted, and it may export; if not, what to change."""
        succeeded, message = self.check_connection(logger, config)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED if succeeded else Status.FAILED, message=message)

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, str | None]:
        """As `check`: whether it succeeded, and a sentence about it."""
        try:
            api = Api(Config.parse(config))
            self._prove_key(api)
            doubt = self._prove_export(api)
        except AirbyteTracedException as error:
            return False, error.message
        except requests.RequestException as error:
            return False, messages.UNREACHABLE.format(host=api.host, reason=type(error).__name__)
        if doubt:
            logger.warning(doubt)
        return True, doubt

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """One object for each stream."""
        if self._made is not None:
            return list(self._made)
        parsed = Config.parse(config)
        sync = Sync(parsed, Api(parsed))
        return [stream(sync) for stream in STREAMS.values()]

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Read the selected streams one after the other, downloading ahead of the one that is emitted.

        The order is the connector's, whatever that of the catalog: what is soon done or can be resumed comes before
        what takes hours and would start over, so that an attempt that is cut short starves no stream.
        """
        parsed = Config.parse(config)
        _require_each_once(catalog)
        api = Api(parsed)
        api.begin_sync()
        jobs = export_jobs(parsed, api) if _selects_exports(catalog) else None
        prefetcher = Prefetcher(
            (),
            parsed.spool_bytes,
            job_workers=MOST_JOBS if jobs is not None else 0,
            seconds_per_request=api.seconds_a_request(EXPORT_PATH),
            retry_delays=[api.scaled(delay) for delay in RETRY_DELAYS],
        )
        sync = Sync(parsed, api, SavedStates(state), prefetcher, jobs, in_batches=self._in_batches)
        selected = [_stream(sync, configured) for configured in catalog.streams]
        in_turn = sorted(selected, key=lambda stream: stream.turn(is_first_sync=not _state_of(stream)))
        for stream in in_turn:
            if isinstance(stream, PrefetchedStream):
                prefetcher.add(_plan(stream))
        if any(isinstance(stream, Users) for stream in selected):
            logger.info(messages.OLDER_PROFILES.format(start=timestamps.formatted(parsed.start_date)))
        ordered = ConfiguredAirbyteCatalog(streams=[stream.configured for stream in in_turn if stream.configured])
        try:
            prefetcher.start()
            # The CDK's loop over streams makes them by their names alone; these are made already.
            yield from AbstractSource.read(SourceIterable(made=in_turn), logger, config, ordered, state)
        except AirbyteTracedException as error:
            raise summary_of(selected) or error from None
        finally:
            prefetcher.stop()
            if jobs is not None:
                jobs.stop()

    @staticmethod
    def _prove_key(api: Api) -> None:
        with api.request_once("channels", silence=CHECK_READ_TIMEOUT) as response:
            answer = _answer(api, response)
            if answer.status in REFUSED:
                raise messages.KEY_REFUSED.error(answer=answer)
            if answer.status != requests.codes.ok:
                raise messages.UNEXPECTED_STATUS.error(answer=answer)
            if b'"channels"' not in answer.body:
                raise messages.NOT_ITERABLE.error(host=api.host)

    @staticmethod
    def _prove_export(api: Api) -> str | None:
        """Raise if the key may not export; return what is in doubt, None for nothing."""
        start = api.clock.now() - timedelta(days=1)
        params = {
            "dataTypeName": "emailSend",
            "startDateTime": timestamps.for_export(start),
            "endDateTime": timestamps.for_export(start + timedelta(seconds=1)),
        }
        try:
            with api.request_once(EXPORT_PATH, params, silence=CHECK_READ_TIMEOUT) as response:
                if response.status_code == requests.codes.ok and not is_web_page(response):
                    return None
                answer = _answer(api, response)
                if answer.status in REFUSED:
                    raise messages.KEY_NOT_FOR_EXPORTS.error(answer=answer)
                if answer.status == requests.codes.too_many_requests:
                    return messages.EXPORT_LIMIT_IN_USE.format()
                return messages.EXPORT_NOT_PROVEN.format(answer=answer)
        except requests.ReadTimeout:
            return messages.EXPORT_NOT_ANSWERED.format(seconds=CHECK_READ_TIMEOUT)


def _is_of_streams(state: AirbyteStateMessage) -> bool:
    """Whether ``state`` is that of one stream, or of all streams."""
    if state.type is AirbyteStateType.STREAM:
        return state.stream is not None
    shared = state.global_.shared_state if state.global_ else None
    return state.type is AirbyteStateType.GLOBAL and state.global_ is not None and not shared


def _answer(api: Api, response: requests.Response) -> ErrorResponse:
    """What ``response`` says, if it is Iterable's, and from an endpoint that Iterable has."""
    answer = ErrorResponse(response)
    if answer.is_missing_endpoint:
        raise messages.REQUIRED_ENDPOINT_MISSING.error(data_center=api.data_center, endpoint=answer.endpoint)
    if is_web_page(response) and answer.status in API_STATUSES:
        raise messages.NOT_ITERABLE.error(host=api.host)
    return answer


@contextmanager
def _document(path: str, wanted: str) -> Iterator[None]:
    """Whatever goes wrong in reading a file: a sentence that names it and what it should hold."""
    try:
        yield
    except Exception as error:
        raise messages.UNREADABLE_FILE.error(detail=type(error).__name__, path=path, content=wanted) from error


def _require_each_once(catalog: ConfiguredAirbyteCatalog) -> None:
    """Raise if ``catalog`` selects a stream more than once; the CDK identifies streams by their names alone."""
    selected = Counter(configured.stream.name for configured in catalog.streams)
    repeated = [name for name, times in selected.items() if times > 1]
    if repeated:
        raise messages.STREAMS_REPEATED.error(streams=", ".join(repeated))


def _selects_exports(catalog: ConfiguredAirbyteCatalog) -> bool:
    """Whether ``catalog`` selects a stream that export jobs may deliver."""
    return any(
        issubclass(STREAMS.get(configured.stream.name, UnknownStream), ExportStream) for configured in catalog.streams
    )


def _stream(sync: Sync, configured: ConfiguredAirbyteStream) -> IterableStream:
    """The stream that ``configured`` selects."""
    return STREAMS.get(configured.stream.name, UnknownStream)(sync, configured)


def _state_of(stream: IterableStream) -> MutableMapping[str, Any]:
    """The saved state of ``stream``."""
    return stream.sync.states.of(stream.name, stream.namespace)


def _plan(stream: PrefetchedStream) -> plans.SlicePlan[Any]:
    """What ``stream`` wants; a state that cannot be read fails this stream when its turn comes, not the sync."""
    try:
        if isinstance(stream, StatefulStream):
            stream.require_usable_state()
        return stream.plan(_state_of(stream))
    except Exception as error:
        return plans.UnreadablePlan(stream.name, stream.endpoint, error)
