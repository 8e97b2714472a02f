"""What tests of several rooms share: fakes, rigs and data. Fixtures stay in each folder's conftest."""
