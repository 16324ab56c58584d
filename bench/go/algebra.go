// The rounds of algebra.mjs in Go: decodes profiles from files, merges them and writes what comes out.
package main

import (
	"bytes"
	"os"
	"time"

	"github.com/google/pprof/profile"
)

type added struct {
	Decode  float64 `json:"decode"`
	Merge   float64 `json:"merge"`
	Encode  float64 `json:"encode"`
	Samples int     `json:"samples"`
}

func add(files []string) added {
	contents := make([][]byte, len(files))
	for i, file := range files {
		content, err := os.ReadFile(file)
		check(err)
		contents[i] = content
	}

	begin := time.Now()
	profiles := make([]*profile.Profile, len(files))
	for i, content := range contents {
		p, err := profile.ParseUncompressed(content)
		check(err)
		profiles[i] = p
	}
	decoded := time.Now()
	sum, err := profile.Merge(profiles)
	check(err)
	merged := time.Now()
	var out bytes.Buffer
	check(sum.WriteUncompressed(&out))
	return added{
		Decode:  ms(decoded.Sub(begin)),
		Merge:   ms(merged.Sub(decoded)),
		Encode:  ms(time.Since(merged)),
		Samples: len(sum.Sample),
	}
}
