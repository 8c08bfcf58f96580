// Frames of zstd 1.5.4, with the options under which its command made them.
function noise(): () => number {
  let state = 7;
  return () => {
    // As doubles: the products that were compressed were rounded like this.
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const LINES = Array.from(
  { length: 40 },
  (_, index) => `m,rig=r${index % 7} f=${index * 1.5} ${1_767_225_600_000 + index}000000`,
).join('\n');
const LONG = '{"flow":1.5}\n'.repeat(25_000);
const next = noise();
const NUMBERS = Array.from({ length: 300 }, () => Math.round(next() * 1000)).join(',');

/** Options, text, and the frame in base64. */
export const ZSTD_FRAMES: readonly (readonly [options: string, text: string, frame: string])[] = [
  [
    '-3',
    LINES,
    'KLUv/WRwBNUHABKJFhPAFzq2CbRa8LP3limlJDrWT5MFREREpO/7vu/ruq5pmmZZlmWxLBkfwuI186SLJcbxKnNJ' +
      'OSiojFwZu7gyt10Z11em7JVhXVBXpgBkJ4WJGroyNNyAMAQKAXGoAd1MDfsbEGNGUgcQUBJIIBKdPb+gO4ZfcJ7L' +
      'L+Ku4xeQ5/UXddf4C85z+UXcdfwC8rz+ou7sF7HMeS6/iLuOX0Ce11/UXeMvOM/FF3HX0QvI88qLumu8C1l1mXcJ' +
      'uaJ8daAC0yas/Bd2Xok89jsz3+rJz5CbZUEnWOLdG5blnmBwC8K5z8sYw6GkZB3AQeMgjRH+gcwJpInQUgWMbPos',
  ],
  [
    '-19, from a pipe',
    LINES,
    'KLUv/QRo5QUAkswbErCpA0csMNgg9t5SppRii53gQNu2HRu6KeRiotaJ5NJOKvucan667vk99Wn6le5Vx0Qt/st2' +
      '79YmS2+d69CUTOkLqa63xJZnZx5WDYksfqTPzJqSZePqFK3Q695dlzSQwIraUoXBiCJYQhhHIiABdqgRQHb7d+CZ' +
      'DrBCiSQQez3DiOjAOYqOApGByuA5gk5g6APOUWSAxycQuhHnBDohZAO1sUTEFa6DFA0l5LwDxkWDl+FexCz6rQKM' +
      'bPos',
  ],
  [
    '--ultra -22 --long=27',
    LINES,
    'KLUv/WRwBOUFAJLMGxKwqQNHLDDYIPbeUqaUYoud4EDbth0buinkYqLWieTSTir7nGp+uu75PfVp+pXuVcdELf7L' +
      'du/WJktvnevQlEzpC6mut8SWZ2ceVg2JLH6kz8yakmXj6hSt0OveXZc0kMCK2lKFwYgiWEIYRyIgAXaoEUB2+3fg' +
      'mQ6wQokkEHs9w4jowDmKjgKRgcrgOYJOYOgDzlFkgMcnELoR5wQ6IWQDtbFExBWugxQNJeS8A8ZFg5fhXsQs+q0C' +
      'jGz6LA==',
  ],
  [
    '-1 --no-check, from a pipe',
    LINES,
    'KLUv/QBIhQcAdtMrE7BX2oes2BidnBCJ7N61LLODAwEqACMAJABng9Sn3PB5Fnxanc+i8klDPqcmUJ8deIBgEFAA' +
      'IGcz4UIpPmXgAYJBQEE0EcZnBRufdDU+x2Z8tjo+hUZ93oj6tPbqs6RWnzSoPkdMHTOofFZM+ZQg5fNukE+zQD6r' +
      'jnwSFfmcIfLZTsmnyAj5vCHGDyIiIkOYzxLBfFIw8zlX5rM25lOq5vNolE8bUT6rdOWThKx8Bk6oEcCZUOl95vA1' +
      'DhAeERAoHyz/4rn/0mue/f2LZ/9Lr3n2+y+e/S+95hEnspfZI7/gxw/3Y7YTLa5xKmCr',
  ],
  [
    '-3',
    LONG,
    'KLUv/aSI9QQArAAAaHsiZmxvdyI6MS41fQoBAPD/kM8vTAAACCIBAPz/ORACTQAACAoBAIR1HQgBXDdUVw==',
  ],
  [
    '-19, from a pipe',
    LONG,
    'KLUv/QRorAAAaHsiZmxvdyI6MS41fQoBAPD/kM8vRAAAAAEA/f+QTyBFAAAAAQCFdR0AAVw3VFc=',
  ],
  [
    '--ultra -22 --long=27',
    LONG,
    'KLUv/aSI9QQArAAAaHsiZmxvdyI6MS41fQoBAPD/kM8vRAAAAAEA/f+QTyBFAAAAAQCFdR0AAVw3VFc=',
  ],
  [
    '-1 --no-check, from a pipe',
    LONG,
    'KLUv/QBIrAAAaHsiZmxvdyI6MS41fQoBAPD/kM8vTAAACCIBAPz/ORACTQAACAoBAIR1HQgB',
  ],
  [
    '-3',
    NUMBERS,
    'KLUv/WSKA/0QAJa0XAmw6yQJJTEryTxYAFsAWAB2NZbqZXOx7nQCDWLbxUNZag6SCbHNLGWXHa5Kw/Brp16pqbbR' +
      'LtnXmlhXTMIL9tFxtkBMJxtpoSk10Ja4peiooYv1m3t3jwPvqYc3lH0xR9Fld8h8F9dNJBSprT2zxWa4CsxXtchd' +
      'UHNyRVxzM+zWbBXzbgPOkLlQnypGbBZX2FLcRC6jqWxuKnZcLBMfzEU9KhPVVXUthos8GoPRUVqug8kncfTAZvCA' +
      'mFWDHSNPzLyZAjC/oqsyHA23TQzC4e4DLmNLcBua7GEzRFyRArncakq10PdEazhNTSXT2awN6BKHoceu3TBCM7fk' +
      'YB+xSV52aW/YR06jR+LgXbwrRMbH4piZagfRVH4ypQdAc/SO3mBjN9uL/WioeMY4h8wMu3Ff1WUc0jkT5wFulUUO' +
      'sU/s4DP3dLEH6uom9vS+uUuusM9oCLoYAZsyz8xVGiiOlKjLtql7vG4G3qXc6GXcId2TIXhKqJEowxQixBkimQky' +
      'CtLmEBQBQVj6EMA+5QjQ4ZR737CFJLoojFZaSUslL+W38R5J4aVnBdaakMwQUiaxsTZ3D+jj0xdwG4D1FZwhtsHF' +
      '8KLvCZw4AqaQCFjVQB6dyjfjzCJsp0NAV4aEIVEvSrP2cdjjf3TRok9/lvmVawXWsB4HPPyIm7TJ9HDlFA+KM70x' +
      '4ow5zlRWfkIk+lIDAvs+r9YGydqyVBp80983Ql4=',
  ],
  [
    '-19, from a pipe',
    NUMBERS,
    'KLUv/QRo7Q8AWkesBwmw6yQUTexkOA93AHgAdwBTU2c4uiTLFGrgHRILyGE23FKZpCk8yuu2kcl4O9txC3s4B9RA' +
      '91Vm0GRcig6Qj5zsnpihdivPzWUNjDtzzUN2zX1xT90du8I2uSgeuFtLbwK5Sl/UVAfZEDdJJ6vFhpluLp/2aQwh' +
      'WzttRge7K1ystutCvJWtDBHH1SRZolv0oTqgrot5spDXyIxbqq6JSwfNRTJcTHa3N5F9M0vRvZuOQ2dGJ+A1m6gb' +
      '8DqbOrO0iWyUyXqI3d5TXsbP5Gg/iEPomGqm2SQdIt/JJjdZfETb1WV3Ocvn5KFbKhPlAreaZegq28yek2GLWhrL' +
      'yHC1BMfYyiFsuD7BreiReUIexhOzXZd6SoPEcNQy12obGlpDP8pAMbQXYuJNEh/riFmOtxwqBpHnYiKacRvQE5/x' +
      'KnvKprohW6fM7W2Mi3bJTUOX0dU7eB23sg/qqRhY8zjZcx1Iy/QiH6Ml6jKZnEl3RDytJWaaeeRuUJTpBx2O12M4' +
      'YbaYWzHEYDK7CSfjJ7EEF+Ih99RM6TV7zh6hI2ShOXgFJ8Q3NNFCd+mWmOycCeq5CbbNR7zq5vSym90tbdFNZri7' +
      'V4PUdp1mV/gEJ6pj4gMOdQdx8jZymxpKBpEb80RcTmSX2HZf6aA9tefkBAA74W11IxW+EfXBRQPfN0Je',
  ],
  [
    '--ultra -22 --long=27',
    NUMBERS,
    'KLUv/WSKA+0PAFpHrAcJsOskFE3sZDgPdwB4AHcAU1NnOLokyxRq4B0SC8hhNtxSmaQpPMrrtpHJeDvbcQt7OAfU' +
      'QPdVZtBkXIoOkI+c7J6YoXYrz81lDYw7c81Dds19cU/dHbvCNrkoHrhbS28CuUpf1FQH2RA3SSerxYaZbi6f9mkM' +
      'IVs7bUYHuytcrLbrQryVrQwRx9UkWaJb9KE6oK6LebKQ18iMW6quiUsHzUUyXEx2tzeRfTNL0b2bjkNnRifgNZuo' +
      'G/A6mzqztIlslMl6iN3eU17Gz+RoP4hD6JhqptkkHSLfySY3WXxE29VldznL5+ShWyoT5QK3mmXoKtvMnpNhi1oa' +
      'y8hwtQTH2MohbLg+wa3okXlCHsYTs12XekqDxHDUMtdqGxpaQz/KQDG0F2LiTRIf64hZjrccKgaR52IimnEb0BOf' +
      '8Sp7yqa6IVunzO1tjIt2yU1Dl9HVO3gdt7IP6qkYWPM42XMdSMv0Ih+jJeoymZxJd0Q8rSVmmnnkblCU6Qcdjtdj' +
      'OGG2mFsxxGAyuwkn4yexBBfiIffUTOk1e84eoSNkoTl4BSfENzTRQnfplpjsnAnquQm2zUe86ub0spvdLW3RTWa4' +
      'u1eD1HadZlf4BCeqY+IDDnUHcfI2cpsaSgaRG/NEXE5kl9h2X+mgPbXn5AQAO+FtdSMVvhH1wUUD3zdCXg==',
  ],
  [
    '-1 --no-check, from a pipe',
    NUMBERS,
    'KLUv/QBIzQ8AqkjQBwmw6yQUTexkOA95AHoAeQAzHF2SZfpFTVAD75BYQA6z4RbSrEzSFB7lddvIZLyd7biFPZwD' +
      'aqD7KjNoMi5FB8hHTnZPzFC7lefmsgbGnbnmIbvmvrin7o5dYZtcFA/craU3gVylL2qqg2yIm6ST1WLDTDeXT/s0' +
      'hpCtnTajg90VLlbbdSHeylYGEcfVJFmiW/ShOqCui3mykNfIjFuqrolLB81FMlxMdrc3kX0zS9G9m45DZ0Yn4DWb' +
      'qBvwOps6s7SJbJTJeojd3lNexs/kaD+IQ+iYaqbZJB0i38kmN1l8RNvVZXc5y+fkoVsqE+UCt5pl6CrbzJ6TYYta' +
      'GsvIcLVMTQ3PycfYyiFsuD7BreiReUIexhOzXZd6SoPEcNQy12obGlpDP8pAMbQXYuJNEh/riFmOtxwqBpHnYiKa' +
      'cRvQE5/xKnvKprohW6fM7W2Mi3bJTUOX0dU7eB23sg/qqRhY8zjZcx1Iy/QiH6Ml6jKZnEl3RDytJWaaeeRuUFym' +
      'y/SDDsdjOK/HcMJsMbdiiMFkdhNOxk9iCS7EQ+6pmdJr9pw9QkfIQnPwCk6Ib2iihe7SLTHZORPUcxNsm4941c3p' +
      'ZTe7W9qim8xwd68Gqe06za7wCU5Ux8QHHOoO4uRt5DY1lAwiN+aJuJzILrHtvtJBe2oBAA==',
  ],
];
