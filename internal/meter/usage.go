package meter

import (
	"time"

	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/series"
)

// span is a figure over some time.
type span struct{ low, mean, high, weight float64 }

func (s span) plus(o span) span {
	return span{s.low + o.low, s.mean + o.mean, s.high + o.high, max(s.weight, o.weight)}
}

func (s span) join(o span) span {
	w := s.weight + o.weight
	return span{min(s.low, o.low), (s.mean*s.weight + o.mean*o.weight) / w, max(s.high, o.high), w}
}

// usage is what one task used: CPU in units of which a core has 1024, memory
// in MiB, its network and its storage in bytes a second and in bytes.
type usage struct {
	cpu, memory span
	network     [2]float64 // received and sent, of all its containers
	most        [2]float64 // of the container that has most
	storage     [2]float64 // read and written
}

func (u usage) join(o usage) usage {
	out := usage{cpu: u.cpu.join(o.cpu), memory: u.memory.join(o.memory)}
	of, w := out.cpu.weight, o.cpu.weight
	for i := range 2 {
		out.network[i] = (u.network[i]*(of-w) + o.network[i]*w) / of
		out.most[i] = (u.most[i]*(of-w) + o.most[i]*w) / of
		out.storage[i] = u.storage[i] + o.storage[i]
	}
	return out
}

// used adds up the containers of a sample; ok is false if it has no figures.
func used(s dispatch.Sample) (u usage, ok bool) {
	for _, c := range s.Containers {
		if c.CPU.Count == 0 || c.Memory.Count == 0 {
			continue
		}
		u.cpu = u.cpu.plus(read(c.CPU, 1024.0/100))
		u.memory = u.memory.plus(read(c.Memory, 1))
		for i, v := range [2]float64{c.RxBytesPerSec, c.TxBytesPerSec} {
			u.network[i], u.most[i] = u.network[i]+v, max(u.most[i], v)
		}
		u.storage[0], u.storage[1] = u.storage[0]+float64(c.ReadBytes), u.storage[1]+float64(c.WriteBytes)
		ok = true
	}
	return u, ok
}

func read(f dispatch.Figures, unit float64) span {
	n := float64(f.Count)
	return span{f.Min * unit, f.Sum / n * unit, f.Max * unit, n}
}

// reserved is what a task may use: its own figures, else its definition's.
func reserved(t *model.Task, d *model.TaskDefinition) [2]float64 {
	cpu, memory := t.CPU, t.Memory
	if cpu == 0 && d != nil {
		cpu = d.CPUUnits()
	}
	if memory == 0 && d != nil {
		memory = d.MemoryMiB()
	}
	return [2]float64{float64(cpu), float64(memory)}
}

// point is what a service used of what it may use.
type point struct {
	cluster, service string
	cpu, memory      share
}

// share adds up tasks: the whole's mean, and the tasks' extremes.
type share struct{ used, of, low, high, n float64 }

func (s *share) add(u span, of float64) {
	if of <= 0 {
		return // nothing is reserved: there is no share
	}
	low, high := u.low/of*100, u.high/of*100
	if s.n == 0 {
		s.low, s.high = low, high
	}
	s.used, s.of, s.n = s.used+u.mean, s.of+of, s.n+1
	s.low, s.high = min(s.low, low), max(s.high, high)
}

func (p *point) add(u usage, of [2]float64) {
	p.cpu.add(u.cpu, of[0])
	p.memory.add(u.memory, of[1])
}

// data are the point's two metrics for a minute.
func (p point) data(at time.Time) []series.Datum {
	dims := []series.Dimension{{Name: "ClusterName", Value: p.cluster}, {Name: "ServiceName", Value: p.service}}
	var out []series.Datum
	for _, m := range []struct {
		name string
		share
	}{{"CPUUtilization", p.cpu}, {"MemoryUtilization", p.memory}} {
		if m.n == 0 {
			continue
		}
		mean := m.used / m.of * 100
		out = append(out, series.Datum{
			Metric: series.Metric{Namespace: "AWS/ECS", Name: m.name, Dimensions: dims}, At: at, Unit: "Percent",
			Set: series.Set{Sum: mean * m.n, Count: m.n, Min: m.low, Max: m.high, Blurred: m.low != m.high},
		})
	}
	return out
}
