"""Airbyte's tests of any source: spec, check, discover and read, as acceptance-test-config.yml lists them.

They ask a sandbox that the root's conftest.py starts.
"""

from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from source_iterable import SourceIterable


class TestSuite(SourceTestSuiteBase):
    """The suite, for the connector of this checkout, whatever its folder is called."""

    connector = SourceIterable
    connector_name = "source-iterable"
