#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py SYMBOL INPUT OUTPUT: writes a C file that holds the bytes of INPUT as SYMBOL_text and
SYMBOL_len, so that a program carries its schemas with it."""
import sys

symbol, source, target = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w", encoding="ascii") as out:
    out.write("// Generated from a schema file by ovsdb/schema/embed.py.\n")
    out.write('#include "ovsdb/schema/schema.h"\n\n')
    out.write(f"const char {symbol}_text[] = {{\n")
    for at in range(0, len(data), 20):
        out.write("    " + " ".join(f"{byte:d}," for byte in data[at:at + 20]) + "\n")
    out.write("    0,\n};\n")
    out.write(f"const size_t {symbol}_len = {len(data)};\n")
