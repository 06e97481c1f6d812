// Command gen makes the packages of internal/wire/shape from the API models:
// for each service the types of the operations that operations.txt names, the
// interface of those operations, and the tables that the one reflective codec
// of wire reads. Run it from the repository's root: go run ./internal/gen.
//
// It owns the files zz_*.go below internal/wire/shape and nothing else. It is
// no part of the program.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// target is one package to make.
type target struct {
	pkg   string // package name
	model string // model file, without suffix
	name  string // the name the program calls the service by
}

var targets = []target{
	{"ecs", "ecs", "ecs"},
	{"elbv2", "elbv2", "elasticloadbalancing"},
	{"ec2", "ec2", "ec2"},
	{"iam", "iam", "iam"},
	{"sts", "sts", "sts"},
	{"cloudformation", "cloudformation", "cloudformation"},
	{"lambda", "lambda", "lambda"},
	{"logs", "logs", "logs"},
	{"cloudwatch", "cloudwatch", "monitoring"},
	{"applicationautoscaling", "application-autoscaling", "application-autoscaling"},
	{"ecr", "ecr", "ecr"},
	{"cloudtrail", "cloudtrail", "cloudtrail"},
	{"ssm", "ssm", "ssm"},
	{"secretsmanager", "secretsmanager", "secretsmanager"},
	{"autoscaling", "autoscaling", "autoscaling"},
	{"servicediscovery", "servicediscovery", "servicediscovery"},
}

func main() {
	log.SetFlags(0)
	root := flag.String("root", "internal", "the internal folder of the module")
	flag.Parse()
	if err := run(*root, filepath.Join(*root, "wire", "shape")); err != nil {
		log.Fatalf("gen: %v", err)
	}
}

// run reads the models and operations.txt below root and writes packages to out.
func run(root, out string) error {
	wanted, err := readOperations(filepath.Join(root, "gen", "operations.txt"))
	if err != nil {
		return err
	}
	for _, t := range targets {
		m, err := loadModel(filepath.Join(root, "gen", "models", t.model+".json.gz"))
		if err != nil {
			return err
		}
		s, err := plan(t, m, wanted[t.model])
		if err != nil {
			return fmt.Errorf("%s: %w", t.model, err)
		}
		if err := s.write(filepath.Join(out, t.pkg)); err != nil {
			return fmt.Errorf("%s: %w", t.model, err)
		}
	}
	return nil
}

// readOperations reads which operations are wanted, by model.
func readOperations(file string) (map[string][]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string][]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if words := strings.Fields(line); len(words) > 1 {
			out[words[0]] = append(out[words[0]], words[1:]...)
		}
	}
	return out, nil
}
