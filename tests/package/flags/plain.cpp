#include "rule.h"

std::vector<double> train_plain() { return train<Shared>(); }
