"""Small ICC profiles, and what colours they stand for."""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""XYZ of red, green and blue, for the white D50."""


def rgb_profile(primaries: tuple[tuple[float, ...], ...], gamma: float | None = None) -> bytes:
    """Return the profile of an RGB space with a gamma, or without one with the curve of sRGB."""
    curve = _srgb_curve() if gamma is None else _gamma(gamma)
    tags = {f"{name}XYZ": _xyz(color) for name, color in zip("rgb", primaries, strict=True)}
    return _profile("mntr", "RGB ", "XYZ ", {**tags, **{f"{name}TRC": curve for name in "rgb"}})


def grey_profile(gamma: float) -> bytes:
    """Return the profile of grey with a gamma."""
    return _profile("mntr", "GRAY", "XYZ ", {"kTRC": _gamma(gamma)})


def cmyk_profile() -> bytes:
    """Return the profile of a press whose cyan is a grey of L* 50, and whose magenta and yellow are white."""
    identity = bytes(range(256))
    nodes = [
        (0 if k else 128 if c else 255, 128, 128) for c in (0, 1) for _m in (0, 1) for _y in (0, 1) for k in (0, 1)
    ]
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    lut = b"mft1" + bytes([0, 0, 0, 0, 4, 3, 2, 0]) + matrix + identity * 4 + bytes(sum(nodes, ())) + identity * 3
    return _profile("prtr", "CMYK", "Lab ", {"A2B0": lut})


def as_srgb(color: tuple[int, int, int], primaries: tuple[tuple[float, ...], ...], gamma: float | None) -> list[int]:
    """Return what a colour of an RGB space is in sRGB."""
    levels = np.array(color) / 255
    linear = levels**gamma if gamma else np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    light = np.clip(np.linalg.solve(np.array(SRGB).T, np.array(primaries).T @ linear), 0, 1)
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return [round(level) for level in 255 * encoded]


def _profile(kind: str, space: str, connection: str, tags: dict[str, bytes]) -> bytes:
    tags = {"desc": b"desc" + struct.pack(">II", 0, 5) + b"Test\0" + bytes(78), "wtpt": _xyz(D50), **tags}
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name.encode(), 132 + 12 * len(tags) + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI", 128 + len(table) + len(data), b"", 0x0240_0000)
    header += (kind + space + connection).encode() + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", *(round(value * 65536) for value in D50))
    return header + bytes(128 - len(header)) + table + data


def _xyz(color: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in color))


def _gamma(value: float) -> bytes:
    return b"curv" + struct.pack(">IIH", 0, 1, round(value * 256)) + bytes(2)


def _srgb_curve() -> bytes:
    values = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para" + struct.pack(">IHH5i", 0, 3, 0, *(round(value * 65536) for value in values))
