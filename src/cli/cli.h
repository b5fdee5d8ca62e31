/* Holdfast: the command line, whole: parses, runs, prints; returns the process's exit code (0 done, 1 failed, 2 usage).
 */
#ifndef HF_CLI_CLI_H
#define HF_CLI_CLI_H

int cli_main(int argc, char **argv);

#endif
