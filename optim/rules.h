// Every built-in rule.
#pragma once

#include <descent/optim/adadelta.h>
#include <descent/optim/adafactor.h>
#include <descent/optim/adagrad.h>
#include <descent/optim/adam.h>
#include <descent/optim/adamax.h>
#include <descent/optim/adamw.h>
#include <descent/optim/adan.h>
#include <descent/optim/asgd.h>
#include <descent/optim/lamb.h>
#include <descent/optim/lars.h>
#include <descent/optim/lbfgs.h>
#include <descent/optim/lion.h>
#include <descent/optim/muon.h>
#include <descent/optim/nadam.h>
#include <descent/optim/prodigy.h>
#include <descent/optim/radam.h>
#include <descent/optim/rmsprop.h>
#include <descent/optim/rprop.h>
#include <descent/optim/schedule_free.h>
#include <descent/optim/sgd.h>
#include <descent/optim/soap.h>
#include <descent/optim/sophia.h>
