#include "rung/text/prompt.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define STEP_BY_STEP "Please reason step by step, and put your final answer within \\boxed{}."

/* The Llama 3 text asks for headed steps, which its step splitter (## Step k) then finds. */
static const rg_policy_prompt PROMPTS[] = {
    { "default", "asks for steps and a boxed answer in the system message", STEP_BY_STEP, NULL },
    { "llama3", "asks for '## Step k' headings and a closing boxed sentence",
      "Solve the math problem given by the user.\n\n"
      "- If it needs at most two steps, give a short solution with little explanation.\n\n"
      "- If it needs three steps or more, use this form:\n\n"
      "## Step 1: [Concise description]\n[Brief explanation and calculations]\n\n"
      "## Step 2: [Concise description]\n[Brief explanation and calculations]\n\n"
      "...\n\n"
      "Whatever the form, always end with:\n\n"
      "Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct.\n\n"
      "where [answer] is just the final number or expression that solves the problem.",
      NULL },
    { "r1", "no system message; the request for steps follows the problem", NULL, "\n" STEP_BY_STEP },
    { "none", "the problem and nothing else", NULL, NULL },
};

const char rg_prompt_review[] = "Check the solution above paragraph by paragraph. Quote the first paragraph "
                                "that holds an error and explain the "
                                "error. Do not solve the problem again. If every paragraph is right, say so.";
const char rg_prompt_revise_lead[] =
    "There may be a problem in your solution. Please think about it again with this review in mind:\n\n> ";
const char rg_prompt_revise_end[] =
    "\n\nWrite the whole solution again, from the beginning to the final answer.";

const char rg_prompt_direct[] =
    "You are a math teacher. Your task is to review and critique the paragraphs in solution step by step. "
    "Say whether the last paragraph is right, with nothing but \\boxed{Yes} or \\boxed{No}.";

const rg_policy_prompt *rg_policy_prompt_find(const char *name)
{
    for (size_t i = 0; i < sizeof PROMPTS / sizeof PROMPTS[0]; i++)
        if (strcmp(PROMPTS[i].name, name) == 0)
            return &PROMPTS[i];
    return NULL;
}

const rg_policy_prompt *rg_policy_prompt_for_model(const char *model_name)
{
    if (strcasestr(model_name, "r1-distill") != NULL)
        return rg_policy_prompt_find("r1");
    if (strcasestr(model_name, "llama-3") != NULL || strcasestr(model_name, "llama3") != NULL)
        return rg_policy_prompt_find("llama3");
    return rg_policy_prompt_find("default");
}
