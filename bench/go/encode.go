// The rounds of encode.mjs in Go: builds the same profile and writes it.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"time"

	"github.com/google/pprof/profile"
)

const period = 10_000_000

type encoded struct {
	Build  float64 `json:"build"`
	Encode float64 `json:"encode"`
	Gzip   float64 `json:"gzip"`
	Bytes  int     `json:"bytes"`
}

func encode(stacks [][]int, places int) encoded {
	var plain, zipped bytes.Buffer
	begin := time.Now()
	p := build(stacks, places)
	built := time.Now()
	check(p.WriteUncompressed(&plain))
	written := time.Now()
	zip, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed) // as runtime/pprof does
	check(err)
	_, err = zip.Write(plain.Bytes())
	check(err)
	check(zip.Close())
	return encoded{
		Build:  ms(built.Sub(begin)),
		Encode: ms(written.Sub(built)),
		Gzip:   ms(time.Since(written)),
		Bytes:  plain.Len(),
	}
}

func build(stacks [][]int, places int) *profile.Profile {
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

// No two of them are the same; support/stacks.mjs has them too.
func stacksOf(count, depth, places int) [][]int {
	stacks := make([][]int, count)
	for i := range stacks {
		stacks[i] = make([]int, depth)
		step := 977 + i/places
		for j := range stacks[i] {
			stacks[i][j] = (i*31 + j*step) % places
		}
	}
	return stacks
}
