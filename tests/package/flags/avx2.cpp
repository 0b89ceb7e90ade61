#include "rule.h"

std::vector<double> train_avx2() { return train<Shared>(); }
