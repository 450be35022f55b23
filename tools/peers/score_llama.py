"""score_llama.py PACKAGE-FOLDER MODEL THREADS prepare TEXT ROWS.jsonl | score ROWS.jsonl

Runs under the interpreter that has llama_cpp's needs.  prepare: cuts TEXT into 50 rows that are
200 tokens long and stay so when tokenised again.  score: their prompt log-probabilities by
create_completion(echo, logprobs); prints seconds (the model is loaded before).  With echo this
version looks up each prompt token in the logits of its own position, which predict the next one,
so its numbers are not compared; the mean of the last row is taken from its logits instead."""
import json, sys, time

ROWS, TOKENS = 50, 200


def load(folder, path, threads):
    sys.path.insert(0, folder)
    from llama_cpp import Llama
    return Llama(model_path=path, logits_all=True, n_ctx=512, n_batch=512, n_threads=threads, n_threads_batch=threads,
                 verbose=False)


def prepare(llm, text_file, rows_file):
    with open(text_file, "rb") as f:
        ids = llm.tokenize(f.read(1 << 18), add_bos=False, special=False)
    rows, at = [], 0
    while len(rows) < ROWS and at + TOKENS <= len(ids):
        piece = ids[at:at + TOKENS]
        text = llm.detokenize(piece).decode("utf-8", errors="ignore")
        if llm.tokenize(text.encode(), add_bos=False, special=True) == piece:
            rows.append(text)
            at += TOKENS
        else:
            at += 1
    if len(rows) < ROWS:
        sys.exit("score_llama: %s is too short for %d rows of %d tokens" % (text_file, ROWS, TOKENS))
    with open(rows_file, "w") as f:
        f.writelines(json.dumps({"text": t}) + "\n" for t in rows)


def mean_nll(llm, text):
    """Mean -log p of the text that was scored last."""
    ids = llm.tokenize(text.encode(), special=True)
    logp = llm.logits_to_logprobs(llm.scores[:len(ids) - 1])
    return -float(sum(logp[i, ids[i + 1]] for i in range(len(ids) - 1))) / (len(ids) - 1)


def score(llm, rows_file):
    rows = [json.loads(line)["text"] for line in open(rows_file)]
    llm.create_completion(rows[0][:20], max_tokens=1)           # the first call pays for buffers
    start, n = time.monotonic(), 0
    for text in rows:
        said = llm.create_completion(text, max_tokens=1, echo=True, logprobs=1, temperature=0)
        n += len(said["choices"][0]["logprobs"]["token_logprobs"][1:said["usage"]["prompt_tokens"]])
    print(json.dumps({"seconds": time.monotonic() - start, "tokens": n, "last_nll": mean_nll(llm, rows[-1])}))


def main():
    llm = load(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    prepare(llm, *sys.argv[5:]) if sys.argv[4] == "prepare" else score(llm, *sys.argv[5:])


if __name__ == "__main__":
    main()
