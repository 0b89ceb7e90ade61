// The data of a run: read by name or from files, checked, and standardised.
#pragma once

#include "run/options.h"

#include <optional>
#include <span>

namespace app {

/// A data set that comes with Descent.
struct NamedData {
  const char *name, *help;
  bool is_table;  // columns have different units, so that --standardize auto scales the features
  descent::data::Dataset (*make)();
};

/// Every data set that --data takes by name.
std::span<const NamedData> named_data();

/// Reads the data set that --data names: a named one, or a folder of IDX files.
/// Throws FileError if there is no such data, or if the target is the same in all samples.
/// Throws UsageError if --target, --drop or --task are given for anything but a CSV file.
descent::data::Dataset load_data(const Options& o);

/// Rows for training and for validation: their numbers, int64.
struct Rows {
  descent::Tensor train, validation;
};

/// What `train` learns from: a table, and how its columns are to be used.
struct Learnable {
  descent::data::Table table;
  descent::Tensor weight;  ///< (N) float64: how much a row counts; undefined: all alike
  descent::Tensor labels;  ///< (N) int64; undefined for a regression
  descent::data::SchemaOptions options;
  std::string summary;  ///< how the columns of a CSV file were read
};
/// Reads what --data names. The columns of a CSV file may hold words and gaps. Throws the errors of
/// load_data().
Learnable read_learnable(const Options& o);

/// Parts these rows at random, or all rows if `rows` is undefined. The classes are parted alike.
Rows part_rows(const Learnable& from, const descent::Tensor& rows, double share,
               std::uint64_t seed);

/// The data of a run, as a network takes it.
struct Prepared {
  Rows rows;
  descent::data::Schema schema;  ///< measured on the training rows
  descent::data::Dataset all, train, validation;
  descent::Tensor weight;  ///< of the training rows, (n) float32 of mean 1; undefined: all alike
};
Prepared prepare_rows(const Options& o, const Learnable& from, const Rows& rows);

/// A file that the program will write, and the option that asks for it.
struct Output {
  const char* option;
  std::string path;
};
/// Throws UsageError if an output would replace the file that `data` names, or another output.
void check_outputs(const std::string& data, const std::vector<Output>& outputs);

/// FNV-1a over the samples. The checksum tells whether a later run has the same data.
std::string checksum(const descent::data::Dataset& d);

}  // namespace app
