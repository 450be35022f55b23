/* about.c - what no table says of a verb: its own verbs, and the manual's words about it. */
#include "page.h"

#include <string.h>

#include "rung/base/mem.h"

static const cli_notes NOTES[] = {
    { "", NULL,
      "rung makes a language model better at hard problems by spending compute while it answers: it\n"
      "writes many solutions of one problem, judges them, and chooses.\n"
      "The engine is its own and runs models from files on this machine.\n"
      "\n"
      "Results go to standard output, progress and errors to standard error.\n"
      "Same model file, seed, problem and settings give the same tokens, whatever the number of\n"
      "threads and whatever else runs.\n"
      "Only `rung model pull` uses the network.\n"
      "\n"
      "  rung model pull smollm2-135m\n"
      "  rung solve -N 16 --tree \"A train covers 120 km in 1.5 hours. How fast is it in km/h?\"\n"
      "  rung solve -N 8 --seed 1 --problems problems.jsonl -o records.jsonl\n" },
    { "solve", NULL,
      "Answers a problem by search: many candidate solutions, a vote or a score over them, one answer.\n"
      "The answer is printed with the votes and what it cost; --tree draws every candidate.\n"
      "\n"
      "With --problems it solves a file of them; with -o each finished record is appended to a file,\n"
      "and the same command goes on where it was killed.\n"
      "\n"
      "  rung solve -N 16 --tree \"What is the sum of the first 100 odd numbers?\"\n"
      "  rung solve -N 8 --seed 1 --problems problems.jsonl -o records.jsonl\n" },
    { "generate", NULL,
      "Goes on from a text, given as argument, by -p, in a file, or on standard input.\n"
      "With --chat the text is a user's turn, put through the model's chat template.\n"
      "\n"
      "  rung generate --temp 0 -n 40 \"Once upon a time\"\n"
      "  rung generate --chat -N 4 --json < question.txt\n" },
    { "chat", NULL,
      "A conversation: a line in is a turn, the answer comes as it is written.\n"
      "What was computed for earlier turns is not computed again.\n"
      "/exit or end of input ends it.\n" },
    { "tokenize", NULL,
      "Prints the token ids of a text. No BOS or EOS is added, and text that looks like a control\n"
      "token stays text, unless asked for.\n"
      "\n"
      "  echo \"Hello, world\" | rung tokenize -m smollm2-135m --json\n" },
    { "perplexity", NULL,
      "Measures how well a model predicts a text, in the protocol of llama.cpp: the text is cut into\n"
      "chunks of --ctx-size tokens, and the second half of each is scored.\n"
      "\n"
      "  rung perplexity -f book.txt -c 512 --chunks 16\n" },
    { "grade", NULL,
      "Compares two answers, the reference first, as mathematics: numbers, fractions, tuples, sets,\n"
      "intervals, expressions, choices and words. Each may be an answer or a whole response.\n"
      "The exit status is 0 for every verdict; answers may begin with a hyphen.\n"
      "\n"
      "  rung grade 1/2 0.5\n" },
    { "exec", NULL,
      "Runs Python code as a verifier runs a model's: in a process that has no network, no files but\n"
      "its own, and limits on everything. The exit status is 0 when the code ended well, 1 when it\n"
      "did not, 5 when the sandbox is not to be had at the level asked for.\n"
      "\n"
      "  echo 'print(6*7)' | rung exec --json\n"
      "  rung exec --blocks rationale.md\n" },
    { "model", "pull,ls,info,check,convert,quantize",
      "Lists, pulls, describes and checks models. A model is named by a file, by ORG/NAME of the\n"
      "hub cache, or by a name of `rung model ls`.\n" },
    { "model pull", NULL,
      "Makes a known model available and prints its path. This is the only command that uses the\n"
      "network. The bytes are checked by their hash; an interrupted pull goes on where it was.\n" },
    { "bench", NULL,
      "Measures tokens per second for prompts, one sequence, and many branches of one prompt, beside\n"
      "what the processor or its memory could give.\n" },
    { "doctor", NULL,
      "Says what is found on this machine: processor and kernels, memory, models, and how far the\n"
      "sandbox can be set up, step by step. The exit status is 0 when `rung solve` can work here.\n" },
};

const cli_notes *cli_notes_of(const char *verb)
{
    static const cli_notes none = { "", NULL, NULL };
    for (size_t i = 0; i < RG_COUNT(NOTES); i++)
        if (strcmp(NOTES[i].verb, verb) == 0)
            return &NOTES[i];
    return &none;
}
