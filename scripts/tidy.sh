#!/usr/bin/env bash
# Checks the house rules that the compiler and swift format don't know: who may import whom, how long files,
# functions and lines may be, and which words have a better replacement here. Prints every breach, exits 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Columns are counted in characters, and every awk counts bytes in the C locale.
export LC_ALL=C

breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

sources() { find "$@" -name '*.swift' -print0 | sort -z; }

# --- Import directions: JSON <- Rules <- Config <- Relay <- Sinks <- OktaRelay -------------------------------
sources Sources Tests | xargs -0 awk '
    function breach(text) { print FILENAME ":" FNR ": " text }
    function own(module) { return module in rank }
    BEGIN {
        count = split("JSON Rules Config Relay Sinks OktaRelay", names, " ")
        for (i = 1; i <= count; i++) rank[names[i]] = i
        rank["RelayTesting"] = count  # test support may use all of them but the commands
    }
    FNR == 1 { split(FILENAME, part, "/"); target = part[2]; isTest = part[1] == "Tests" }
    !/^ *(@[a-zA-Z_]+(\([a-z]+\))? +)*((public|package|internal|private) +)?import +/ { next }
    {
        module = $0
        sub(/^.*import +((struct|class|enum|protocol|func|var|let|typealias) +)?/, "", module)
        sub(/[. \/].*$/, "", module)
        if (isTest) next
        if (own(module) && own(target) && rank[module] >= rank[target])
            breach(target " must not import " module ": imports go JSON <- Rules <- Config <- Relay <- Sinks <- OktaRelay")
        if (module ~ /^Hummingbird/ && FILENAME !~ /^Sources\/(Relay\/(Intake|Admin|[^\/]*\.swift)|OktaRelay|RelayTesting|Benchmarks)/)
            breach(module " belongs to the intake, the admin side and the wiring")
        if (module == "GRDB" && FILENAME !~ /^Sources\/(Relay\/Journal|Sinks\/SQLite)\//)
            breach("GRDB belongs to the journal and the SQLite sink")
        if (module ~ /^(CPostgres|CCurl)$/ && FILENAME !~ /^Sources\/(Sinks\/|Benchmarks)/)
            breach(module " belongs to the sinks")
    }
' >>"$breaches"

# --- Lengths: a file 400 lines, a function 70, a line 110 columns --------------------------------------------
# swift format fixes the indentation, so a function ends at the first line that closes at its own depth.
sources Sources Tests | xargs -0 awk '
    function breach(line, text) { print FILENAME ":" line ": " text }
    function endFile() { if (name && lines > 400) print name ":1: " lines " lines: split the file (400 at most)" }
    FNR == 1 { endFile(); name = FILENAME; start = 0 }
    { lines = FNR; text = $0; gsub(/[\200-\277]/, "", text) }
    length(text) > 110 && text !~ /https?:\/\/[^ ]*$/ { breach(FNR, length(text) " columns: break the line (110 at most)") }
    start {
        match($0, /^ */)
        if ($0 != "" && RLENGTH == depth) {
            if ($0 ~ /^ *}/ && FNR - start + 1 > 70)
                breach(start, FNR - start + 1 " lines: split the function (70 at most)")
            if ($0 !~ /^ *(\)|where )/) start = 0
        }
    }
    !start && /^ *([@a-zA-Z()]+ +)*(func [^ ]|init[?!]?[(<]|deinit )/ && !/} *$/ && !/^ *\/\// {
        match($0, /^ */); depth = RLENGTH; start = FNR
    }
    END { endFile() }
' >>"$breaches"

# --- Words that have a better replacement --------------------------------------------------------------------
sources Sources Tests | xargs -0 awk '
    function breach(text) { print FILENAME ":" FNR ": " text }
    FNR == 1 { isTest = FILENAME ~ /^Tests\//; explained = -9 }
    /\/\// { explained = FNR }
    /(^|[^a-zA-Z])(TODO|FIXME|XXX)([^a-zA-Z]|$)/ { breach("do it, or write it down in an issue") }
    { code = $0; gsub(/"([^"\\]|\\.)*"/, "\"\"", code); sub(/\/\/.*$/, "", code) }
    code ~ /(^|[^a-zA-Z.])Date\(\)/ { breach("Date(): take the time from the injected RelayClock") }
    code ~ /(Task|Thread)\.sleep|(^|[^a-zA-Z.])(u|nano)?sleep\(/ && FILENAME != "Sources/Relay/RelayClock.swift" {
        if (code !~ /func sleep\(/)
            breach(isTest ? "a test must not sleep: wait on a signal, or move a ManualClock" : "sleep on the injected RelayClock")
    }
    code ~ /\.(random|shuffled|shuffle|randomElement)\(/ && code !~ /using:/ { breach("pass the injected generator with using:") }
    code ~ /(^|[^a-zA-Z.])(debugPrint|print)\(/ && FILENAME !~ /^Sources\/(OktaRelay\/Terminal|Benchmarks)\// {
        breach("print: commands write through Terminal, everything else logs")
    }
    code ~ /\.with(Unsafe|UTF8|Contiguous)[a-zA-Z]*(\([^)]*\))? *\{ *\$0 *\}/ {
        breach("a pointer must not leave its closure: what it points to may be gone by then")
    }
    code ~ /(^|[^a-zA-Z])Row\.fetch/ && FILENAME ~ /^Sources\/Relay\// && FILENAME !~ /\/StoredRow\.swift$/ {
        breach("Row.fetch: a StoredRow does not end the process where the file is damaged")
    }
    code ~ /try!/ { breach("try!: handle the error, or make the call non-throwing") }
    code ~ /fatalError\(/ { breach("fatalError: throw, or state the broken rule with precondition") }
    code ~ /Task\.detached/ { breach("Task.detached: use structured tasks") }
    code ~ /@unchecked Sendable/ && FNR - explained > 12 { breach("@unchecked Sendable: say above it what makes it true") }
    code ~ /(class|struct|enum|actor|protocol|typealias) [A-Za-z]+(Manager|Helper|Utils?|Impl|Data|Info|Base)([^A-Za-z]|$)/ {
        breach("a name that says nothing (Manager, Helper, Util, Impl, Data, Info, Base): name the role")
    }
    code ~ /(class|struct|enum|actor|protocol) [A-Za-z]+Handler([^A-Za-z]|$)/ && code !~ /(Channel|Inbound|Outbound|LogHandler|Metrics)/ {
        breach("Handler is for NIO channel and log handlers only")
    }
' >>"$breaches"

# --- Markdown: 110 columns, but for tables, code and lines that end in a link --------------------------------
find . -name '*.md' -not -path './.build/*' -not -path './data/*' -print0 | sort -z | xargs -0 -r awk '
    FNR == 1 { inCode = 0 }
    /^ *```/ { inCode = !inCode; next }
    inCode || /^ *\|/ || /https?:\/\/[^ ]*$/ { next }
    { text = $0; gsub(/[\200-\277]/, "", text) }
    length(text) > 110 { print FILENAME ":" FNR ": " length(text) " columns: break the line (110 at most)" }
' >>"$breaches"

# --- The suites that CONTRIBUTING.md has in its table of what `make soak` runs, and those that it does run ----
told=$(sed -n '/make soak/,/^What is random/s/^|\( `[^|]*\)|.*/\1/p' CONTRIBUTING.md | grep -oE '[A-Za-z]+Tests' | sort)
run=$(sed -n '/^SOAK/,/[^\\]$/p' Makefile | grep -oE '[A-Za-z]+Tests' | sort)
diff <(echo "$told") <(echo "$run") | sed -n \
    -e 's/^< \(.*\)/Makefile: SOAK lacks \1, which the table in CONTRIBUTING.md has/p' \
    -e 's/^> \(.*\)/CONTRIBUTING.md: the table of what make soak runs lacks \1/p' >>"$breaches" || true

if [ -s "$breaches" ]; then
    cat "$breaches"
    echo "tidy: $(wc -l <"$breaches" | tr -d ' ') breaches of the house rules" >&2
    exit 1
fi
echo "tidy: clean"
