package handler

// Resources that are a name and nothing else. The CDK's metadata says by which
// constructs a template was made. Of wait condition handles, only the handle's
// name is made: templates use one as a resource that does nothing, and nobody
// answers at its address. A wait condition waits by its CreationPolicy, for
// signals that SignalResource brings.

func handleTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::CDK::Metadata": {
			ID:     func(s *Step) any { return s.Record.Token },
			Unsent: map[string]string{"Analytics": "it only tells AWS what made the template"},
		},
		"AWS::CloudFormation::WaitConditionHandle": {
			ID: func(s *Step) any {
				return "https://cloudformation-waitcondition-" + s.Place.Region + ".s3.amazonaws.com/" + s.StackName + "/" + s.Record.LogicalID +
					"/" + s.Record.Token
			},
			Attributes: map[string]Value{"Id": self},
		},
		"AWS::CloudFormation::WaitCondition": {
			ID: func(s *Step) any {
				return s.Place.ARN("cloudformation", "stack/"+s.StackName+"/"+s.Record.Token+"/"+s.Record.LogicalID)
			},
			Attributes: map[string]Value{"Id": self, "Data": constant("{}")},
		},
	}
}
