"""`python -m synth_stack`: the same as the command `synth-stack`."""

from synth_stack.cli.main import main

if __name__ == "__main__":
    main()
