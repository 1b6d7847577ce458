# Packages and the tests of theirs that failed because Wine could not start a process.
[.[] | select(.Action == "output" and .Test != null and (.Output | test("Inconsistency detected by ld.so|DLL initialization failed|fork/exec .*: Internal error")))
  | [.Package, (.Test | split("/")[0])]] as $hit
| [.[] | select(.Action == "fail" and .Test != null) | [.Package, .Test]] as $failed
| [$hit[] | select(. as $one | $failed | index([$one]))] | unique | group_by(.[0])[] | "\(.[0][0]) \(map(.[1]) | join("|"))"
