# What runs of go test -json come to: each failure with its output, the tests that left
# themselves out by their reasons, and how many there were. Of a test that ran twice the
# second counts, and of one that has others below it, those.

def short: ltrimstr("github.com/rollcall-cli/rollcall/");
def root: [.Package, (.Test | split("/")[0])];
# Why a test left itself out: what it says, or the condition of a script.
def reason: [(.Output // "") | splits("\r?\n")] as $lines
| ([$lines[] | capture("^ +> (?<why>\\[.*\\] skip.*)").why] | last)
  // ([$lines[] | capture("^ +[a-z_0-9A-Z]+\\.go:[0-9]+: (?<why>\\S.*)").why] | last) // "no reason";

([$second[] | select(.Test != null) | root] | unique) as $twice
| ([$first[] | select(.Test != null and (root as $one | $twice | index([$one]) | not))] + [$second[] | select(.Test != null)]) as $events
| ($events | group_by([.Package, .Test]) | map({Package: .[0].Package, Test: .[0].Test, Output: (map(.Output // "") | add), Action: ([.[].Action | select(IN("pass", "fail", "skip"))] | last)})) as $tests
| ([$tests[] | select(.Test | contains("/")) | .Package + " " + (.Test | split("/")[:-1] | join("/"))] | map({(.): true}) | add // {}) as $parents
| ($tests | map(select($parents[.Package + " " + .Test] | not))) as $leaf
| ($first | map(select(.Test == null and .Action == "fail" and .Package != null)) | map(select(.Package as $p | [$tests[], ($twice[] | {Package: .[0], Action: "fail"})] | any(.Package == $p and .Action == "fail") | not))) as $broken
| ($tests[] | select(.Action == "fail" or .Action == null) | "FAIL \(.Package | short) \(.Test)\n\(.Output)"),
  ($broken[] | .Package as $p | "FAIL \($p | short)\n" + ([$first[] | select((.Package == $p or .ImportPath != null) and .Test == null) | .Output // empty] | add // "")),
  "left out by tests themselves:",
  ($leaf | map(select(.Action == "skip") | . + {why: reason}) | group_by(.why)[]
    | "  \(length): \(.[0].why)\n    \(map((.Package | split("/") | last) + "." + .Test) | join(" "))"),
  "\($leaf | map(select(.Action == "pass")) | length) tests passed, \($leaf | map(select(.Action == "fail")) | length) failed, \($leaf | map(select(.Action == "skip")) | length) left themselves out, in \([$first[] | select(.Test == null and (.Action | IN("pass", "fail"))) | .Package] | unique | length) packages"
