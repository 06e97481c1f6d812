package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Image is an ECS-optimized image. Its id is made from its Region and name: AWS
// publishes ids that nobody knows ahead (docs/facts/ec2-launch-type.md E2).
type Image struct {
	ID           string
	Name         string
	Description  string
	OS           string
	Architecture string // x86_64, arm64
	Version      string
	CreatedAt    time.Time
	// Path is that of its public parameter, below optimizedImages.
	Path string
	// RootDevice is the name of its root volume.
	RootDevice string
}

// optimizedImages begins the names of the public parameters of ECS-optimized
// images.
const optimizedImages = "/aws/service/ecs/optimized-ami/"

// imagesAt is the day of the images that Berth knows.
var imagesAt = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// family is a kind of ECS-optimized image: {v} stands for its version.
type family struct{ path, name, os, architecture, version string }

var families = []family{
	{"amazon-linux", "amzn-ami-{v}-amazon-ecs-optimized", "Amazon Linux", "x86_64", "2018.03.20260701"},
	{"amazon-linux-2", "amzn2-ami-ecs-hvm-{v}-x86_64-ebs", "Amazon Linux 2", "x86_64", "2.0.20260701"},
	{"amazon-linux-2/arm64", "amzn2-ami-ecs-hvm-{v}-arm64-ebs", "Amazon Linux 2", "arm64", "2.0.20260701"},
	{"amazon-linux-2/gpu", "amzn2-ami-ecs-gpu-hvm-{v}-x86_64-ebs", "Amazon Linux 2", "x86_64", "2.0.20260701"},
	{"amazon-linux-2/kernel-5.10", "amzn2-ami-ecs-kernel-5.10-hvm-{v}-x86_64-ebs", "Amazon Linux 2", "x86_64", "2.0.20260701"},
	{"amazon-linux-2/kernel-5.10/arm64", "amzn2-ami-ecs-kernel-5.10-hvm-{v}-arm64-ebs", "Amazon Linux 2", "arm64", "2.0.20260701"},
	{"amazon-linux-2/kernel-5.10/gpu", "amzn2-ami-ecs-gpu-kernel-5.10-hvm-{v}-x86_64-ebs", "Amazon Linux 2", "x86_64", "2.0.20260701"},
	{"amazon-linux-2023", "al2023-ami-ecs-hvm-{v}-kernel-6.1-x86_64", "Amazon Linux 2023", "x86_64", "2023.0.20260701"},
	{"amazon-linux-2023/arm64", "al2023-ami-ecs-hvm-{v}-kernel-6.1-arm64", "Amazon Linux 2023", "arm64", "2023.0.20260701"},
	{"amazon-linux-2023/gpu", "al2023-ami-ecs-gpu-hvm-{v}-kernel-6.1-x86_64-ebs", "Amazon Linux 2023", "x86_64", "2023.0.20260701"},
}

// Images are the ECS-optimized images of a Region, in the order of their paths.
func Images(region string) []Image {
	out := make([]Image, len(families))
	for i, f := range families {
		name := strings.ReplaceAll(f.name, "{v}", f.version)
		h := sha256.Sum256([]byte(name + "|" + region))
		out[i] = Image{
			ID: "ami-0" + hex.EncodeToString(h[:])[:16], Name: name, Description: f.os + " AMI for Amazon ECS " + f.architecture, OS: f.os,
			Architecture: f.architecture, Version: f.version, CreatedAt: imagesAt, Path: f.path, RootDevice: "/dev/xvda",
		}
	}
	return out
}

// ImageOf finds an ECS-optimized image of a Region by its id.
func ImageOf(region, id string) (Image, bool) {
	all := Images(region)
	i := slices.IndexFunc(all, func(m Image) bool { return m.ID == id })
	if i < 0 {
		return Image{}, false
	}
	return all[i], true
}

// agentVersion and runtimeVersion are what the images' parameters say is on
// them.
const (
	agentVersion   = "1.105.1"
	runtimeVersion = "Docker version 25.0.14"
)

// PublicParameter is one of Systems Manager's public parameters.
type PublicParameter struct{ Name, Value string }

// parameters are those of one image.
func (m Image) parameters() []PublicParameter {
	facts := []PublicParameter{
		{"ecs_agent_version", agentVersion}, {"ecs_runtime_version", runtimeVersion}, {"image_id", m.ID}, {"image_name", m.Name},
		{"image_version", m.Version}, {"os", m.OS},
	}
	all := map[string]any{"schema_version": 1}
	for _, p := range facts {
		all[p.Name] = p.Value
	}
	text, _ := json.Marshal(all) // texts and a number always encode
	base := optimizedImages + m.Path + "/recommended"
	out := []PublicParameter{{base, string(text)}}
	for _, p := range facts {
		out = append(out, PublicParameter{base + "/" + p.Name, p.Value})
	}
	return out
}

// PublicParameters are a Region's public parameters that Berth knows, sorted by
// name.
func PublicParameters(region string) []PublicParameter {
	var out []PublicParameter
	for _, m := range Images(region) {
		out = append(out, m.parameters()...)
	}
	slices.SortFunc(out, func(a, b PublicParameter) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Public is the value of a public parameter.
func Public(region, name string) (string, bool) {
	all := PublicParameters(region)
	i, ok := slices.BinarySearchFunc(all, name, func(p PublicParameter, n string) int { return strings.Compare(p.Name, n) })
	if !ok {
		return "", false
	}
	return all[i].Value, true
}
