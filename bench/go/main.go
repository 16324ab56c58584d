// The rounds of encode.mjs in Go: builds the same profile and writes it by google/pprof's own package. For each line of
// input, a number of samples, it answers a line of JSON: milliseconds to build, to encode and to gzip, and bytes.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/google/pprof/profile"
)

const (
	depth  = 30
	places = 5000
	period = 10_000_000
)

type answer struct {
	Build  float64 `json:"build"`
	Encode float64 `json:"encode"`
	Gzip   float64 `json:"gzip"`
	Bytes  int     `json:"bytes"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		count, err := strconv.Atoi(input.Text())
		check(err)
		check(out.Encode(round(stacksOf(count))))
	}
}

func round(stacks [][]int) answer {
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
		Build:  ms(built.Sub(begin)),
		Encode: ms(encoded.Sub(built)),
		Gzip:   ms(time.Since(encoded)),
		Bytes:  plain.Len(),
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
			stacks[i][j] = (i*31 + j*977) % places
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
