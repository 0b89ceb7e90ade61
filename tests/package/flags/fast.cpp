#include "rule.h"

std::vector<double> train_fast() { return train<Shared>(); }
