package scaling

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"berth/internal/model"
)

// BadSteps says what is wrong with a policy's steps by the rules of the guide: no
// gap, no overlap, and open ends where a bound leads away from the threshold.
func BadSteps(x model.ScalingPolicy) string {
	switch {
	case len(x.Steps) == 0:
		return "At least one step adjustment must be specified"
	case len(x.Steps) > 20:
		return fmt.Sprintf("The number of step adjustments, %d, exceeds the limit of 20", len(x.Steps))
	}
	steps := slices.Clone(x.Steps)
	slices.SortFunc(steps, func(s, t model.StepAdjustment) int { return cmp.Compare(lower(s), lower(t)) })
	for i, s := range steps {
		switch {
		case s.Lower == nil && s.Upper == nil && len(steps) > 1:
			return "The lower and upper bounds of a step adjustment cannot both be null when there are others"
		case lower(s) >= upper(s):
			return "The upper bound of a step adjustment must be greater than its lower bound"
		case i > 0 && upper(steps[i-1]) > lower(s):
			return "Step adjustment intervals can't overlap"
		case i > 0 && upper(steps[i-1]) < lower(s):
			return "Step adjustment intervals can't have gaps between them"
		case x.AdjustmentType == "ExactCapacity" && s.Adjustment < 0:
			return "The scaling adjustment of adjustment type ExactCapacity cannot be negative"
		}
	}
	first, last := steps[0], steps[len(steps)-1]
	switch {
	case first.Lower != nil && *first.Lower < 0:
		return "There must be a step adjustment with an unspecified lower bound if one has a negative lower bound"
	case last.Upper != nil && *last.Upper > 0:
		return "There must be a step adjustment with an unspecified upper bound if one has a positive upper bound"
	}
	return ""
}

func lower(s model.StepAdjustment) float64 {
	if s.Lower == nil {
		return math.Inf(-1)
	}
	return *s.Lower
}

func upper(s model.StepAdjustment) float64 {
	if s.Upper == nil {
		return math.Inf(1)
	}
	return *s.Upper
}
