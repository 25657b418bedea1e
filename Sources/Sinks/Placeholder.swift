enum SinksPlaceholder {}
