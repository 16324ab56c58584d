// What encode.mjs and merge.mjs measure, in Go, by google/pprof's own package. Each line of input is a command and its
// arguments; the answer is a line of JSON: milliseconds by step.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

const (
	depth  = 30
	places = 5000
	period = 10_000_000
)

type answer map[string]float64

func main() {
	out := json.NewEncoder(os.Stdout)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		words := strings.Fields(input.Text())
		check(out.Encode(commands[words[0]](words[1:])))
	}
}

var commands = map[string]func(args []string) answer{
	"encode": func(args []string) answer {
		count, err := strconv.Atoi(args[0])
		check(err)
		return encode(stacksOf(count))
	},
	"prepare": func(files []string) answer {
		profiles = nil
		for _, file := range files {
			profiles = append(profiles, read(file))
		}
		return answer{}
	},
	"merge": func([]string) answer { return merge() },
}

func encode(stacks [][]int) answer {
	var plain, zipped bytes.Buffer
	begin := time.Now()
	p := build(stacks)
	built := time.Now()
	check(p.WriteUncompressed(&plain))
	encoded := time.Now()
	zip, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed) // as runtime/pprof does
	check(err)
	_, err = zip.Write(plain.Bytes())
	check(err)
	check(zip.Close())
	return answer{
		"build":  ms(built.Sub(begin)),
		"encode": ms(encoded.Sub(built)),
		"gzip":   ms(time.Since(encoded)),
	}
}

// What is merged in each round.
var profiles []*profile.Profile

func read(file string) *profile.Profile {
	content, err := os.ReadFile(file)
	check(err)
	p, err := profile.ParseData(content)
	check(err)
	return p
}

func merge() answer {
	var plain bytes.Buffer
	begin := time.Now()
	p, err := profile.Merge(profiles)
	check(err)
	merged := time.Now()
	check(p.WriteUncompressed(&plain))
	return answer{
		"merge":   ms(merged.Sub(begin)),
		"encode":  ms(time.Since(merged)),
		"samples": float64(len(p.Sample)),
	}
}

func build(stacks [][]int) *profile.Profile {
	p := &profile.Profile{
		SampleType:    []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType:    &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:        period,
		TimeNanos:     1_764_000_000_000_000_000,
		DurationNanos: 30_000_000_000,
		Mapping:       []*profile.Mapping{{ID: 1, File: "/app/main.js", HasFunctions: true}},
		Function:      make([]*profile.Function, places),
		Location:      make([]*profile.Location, places),
		Sample:        make([]*profile.Sample, len(stacks)),
	}
	for i := range p.Location {
		id := uint64(i + 1)
		p.Function[i] = &profile.Function{
			ID:        id,
			Name:      fmt.Sprintf("function%d", i),
			Filename:  fmt.Sprintf("/app/file%d.js", i%100),
			StartLine: int64(i),
		}
		p.Location[i] = &profile.Location{
			ID:      id,
			Address: id,
			Mapping: p.Mapping[0],
			Line:    []profile.Line{{Function: p.Function[i], Line: int64(i)}},
		}
	}
	for i, stack := range stacks {
		locations := make([]*profile.Location, len(stack))
		for j, place := range stack {
			locations[j] = p.Location[place]
		}
		p.Sample[i] = &profile.Sample{Location: locations, Value: []int64{1, period}}
	}
	return p
}

func stacksOf(count int) [][]int {
	stacks := make([][]int, count)
	for i := range stacks {
		stacks[i] = make([]int, depth)
		for j := range stacks[i] {
			stacks[i][j] = (i*31 + j*(977+i/places)) % places
		}
	}
	return stacks
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
