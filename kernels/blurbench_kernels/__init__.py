"""Seeded blur synthesis with numpy and numba alone: flow, trajectories, convolution, sensor, banks.

Import the families by name, `from blurbench_kernels import motion_flow`: this module itself
loads neither numba nor numpy.
"""
