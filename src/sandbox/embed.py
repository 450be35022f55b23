"""embed.py OUT.S NAME=FILE... - an assembler file that holds each FILE, and a zero byte behind
it, as rg__bytes_NAME .. rg__bytes_NAME_end."""
import os, sys

with open(sys.argv[1], "w") as out:
    out.write('.section .rodata\n')
    for pair in sys.argv[2:]:
        name, path = pair.split("=", 1)
        out.write('.hidden rg__bytes_{0}\n.global rg__bytes_{0}\n.balign 16\nrg__bytes_{0}:\n.incbin "{1}"\n.byte 0\n'
                  '.hidden rg__bytes_{0}_end\n.global rg__bytes_{0}_end\nrg__bytes_{0}_end:\n'
                  .format(name, os.path.abspath(path)))
    out.write('.section .note.GNU-stack,"",%progbits\n')
